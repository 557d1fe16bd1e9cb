// A tree of goroutines, ten under each, down to the leaves, whose numbers come back as sums. Arguments: leaves, processors.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"
)

func sky(answer chan int, number, size int) {
	if size == 1 {
		answer <- number
		return
	}
	under, sum := make(chan int), 0
	for i := 0; i < 10; i++ {
		go sky(under, number+i*(size/10), size/10)
	}
	for i := 0; i < 10; i++ {
		sum += <-under
	}
	answer <- sum
}

func main() {
	leaves, _ := strconv.Atoi(os.Args[1])
	p, _ := strconv.Atoi(os.Args[2])
	runtime.GOMAXPROCS(p)
	answer := make(chan int)
	t := time.Now()
	go sky(answer, 0, leaves)
	if <-answer != leaves*(leaves-1)/2 {
		panic("leaves lost")
	}
	fmt.Printf("ms %.2f\n", float64(time.Since(t).Nanoseconds())/1e6)
}
