// Cost against the number of tasks, on one thread. Arguments: what, n, operations.
// start: n goroutines are started at once, then awaited, as often as makes the operations.
// among: two goroutines answer each other while n others stay parked.
// visit: each of n parked goroutines in turn is asked and answers once.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
)

// cpu is the CPU time that the process has had, in ns.
func cpu() float64 {
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return float64(r.Utime.Nano() + r.Stime.Nano())
}

func main() {
	what := os.Args[1]
	n, _ := strconv.Atoi(os.Args[2])
	ops, _ := strconv.Atoi(os.Args[3])
	runtime.GOMAXPROCS(1)
	var t float64
	switch what {
	case "start":
		var wg sync.WaitGroup
		t = cpu()
		for r := 0; r < ops/n; r++ {
			wg.Add(n)
			for i := 0; i < n; i++ {
				go func() { wg.Done() }()
			}
			wg.Wait()
		}
		ops = ops / n * n
	case "among":
		never := make(chan int)
		for i := 0; i < n; i++ {
			go func() { <-never }()
		}
		a, b := make(chan int), make(chan int)
		go func() {
			for {
				b <- <-a
			}
		}()
		a <- 0
		<-b
		runtime.GC()
		t = cpu()
		for i := 0; i < ops; i++ {
			a <- i
			<-b
		}
	case "visit":
		asks := make([]chan int, n)
		back := make(chan int)
		for i := range asks {
			c := make(chan int)
			asks[i] = c
			go func() {
				for v := range c {
					back <- v
				}
			}()
			c <- 0
			<-back
		}
		runtime.GC()
		t = cpu()
		for i := 0; i < ops; i++ {
			asks[i%n] <- i
			<-back
		}
	}
	fmt.Printf("ns %.3f\n", (cpu()-t)/float64(ops))
}
