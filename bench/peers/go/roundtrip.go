// Two goroutines on one thread answer each other over two unbuffered channels.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"
)

func main() {
	n, _ := strconv.Atoi(os.Args[1])
	runtime.GOMAXPROCS(1)
	a, b := make(chan int), make(chan int)
	go func() {
		for i := 0; i < n; i++ {
			b <- <-a
		}
	}()
	t := time.Now()
	for i := 0; i < n; i++ {
		a <- i
		if <-b != i {
			panic("another value came back")
		}
	}
	fmt.Printf("ns %.3f\n", float64(time.Since(t).Nanoseconds())/float64(n))
}
