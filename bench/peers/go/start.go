// n goroutines in all, started in batches and awaited batch by batch. Arguments: n, batch, processors.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// cpu is the CPU time that the process has had, in ns.
func cpu() float64 {
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return float64(r.Utime.Nano() + r.Stime.Nano())
}

func main() {
	n, _ := strconv.Atoi(os.Args[1])
	batch, _ := strconv.Atoi(os.Args[2])
	p, _ := strconv.Atoi(os.Args[3])
	runtime.GOMAXPROCS(p)
	var wg sync.WaitGroup
	var ran int64
	f := func() {
		ran++
		wg.Done()
	}
	if p > 1 {
		f = func() {
			atomic.AddInt64(&ran, 1)
			wg.Done()
		}
	}
	now := cpu
	if p > 1 { // on several processors what counts is the time that passes
		began := time.Now()
		now = func() float64 { return float64(time.Since(began).Nanoseconds()) }
	}
	t := now()
	for r := 0; r < n/batch; r++ {
		wg.Add(batch)
		for i := 0; i < batch; i++ {
			go f()
		}
		wg.Wait()
	}
	ns := (now() - t) / float64(n)
	if ran != int64(n/batch*batch) {
		panic("goroutines lost")
	}
	fmt.Printf("ns %.3f\n", ns)
}
