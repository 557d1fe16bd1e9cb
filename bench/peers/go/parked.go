// Goroutines parked in a receive: slope of resident memory between two counts.
package main

import (
	"fmt"
	"os"
	"strconv"
)

func rss() float64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		panic(err)
	}
	var size, resident float64
	fmt.Sscan(string(b), &size, &resident)
	return resident * float64(os.Getpagesize())
}

func main() {
	few, _ := strconv.Atoi(os.Args[1])
	many, _ := strconv.Atoi(os.Args[2])
	c, up := make(chan int), make(chan bool)
	start := func(n int) {
		for i := 0; i < n; i++ {
			go func() {
				up <- true
				<-c
			}()
			<-up
		}
	}
	start(few)
	r := rss()
	start(many - few)
	fmt.Printf("bytes %.1f\n", (rss()-r)/float64(many-few))
}
