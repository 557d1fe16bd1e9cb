// One goroutine sends integers through a channel of 128, another receives; one thread.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
)

// cpu is the CPU time that the process has had, in ns.
func cpu() float64 {
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return float64(r.Utime.Nano() + r.Stime.Nano())
}

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
	t := cpu()
	for i := 1; i <= n; i++ {
		c <- i
	}
	if <-done != n*(n+1)/2 {
		panic("values lost")
	}
	fmt.Printf("rate %.0f\n", float64(n)/((cpu()-t)/1e9))
}
