// Slices of 1 MiB through a channel of 128 from one goroutine to another, by reference; two processors. The two
// are locked to threads of their own: else they end up on one.
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
	runtime.GOMAXPROCS(2)
	var buffers [8][]byte
	for i := range buffers {
		buffers[i] = make([]byte, 1<<20)
		buffers[i][0] = 1
	}
	run := func(locked bool) float64 {
		c, done := make(chan []byte, 128), make(chan int)
		go func() {
			if locked {
				runtime.LockOSThread()
			}
			sum := 0
			for i := 0; i < n; i++ {
				b := <-c
				sum += int(b[0])
			}
			done <- sum
		}()
		t := time.Now()
		for i := 0; i < n; i++ {
			c <- buffers[i%8]
		}
		if <-done != n {
			panic("buffers lost")
		}
		return float64(n) / time.Since(t).Seconds()
	}
	fmt.Printf("rate %.0f\n", run(false))
	runtime.LockOSThread()
	fmt.Printf("locked_rate %.0f\n", run(true))
}
