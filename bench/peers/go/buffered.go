// One goroutine sends integers through a channel of 128, another receives; one thread.
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
	c, done := make(chan int, 128), make(chan int)
	go func() {
		sum := 0
		for i := 0; i < n; i++ {
			sum += <-c
		}
		done <- sum
	}()
	t := time.Now()
	for i := 1; i <= n; i++ {
		c <- i
	}
	if <-done != n*(n+1)/2 {
		panic("values lost")
	}
	fmt.Printf("rate %.0f\n", float64(n)/time.Since(t).Seconds())
}
