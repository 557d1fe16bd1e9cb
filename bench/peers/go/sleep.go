// n goroutines sleep k times 1 ms each: CPU time a sleep. Arguments: n, k, processors.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
)

func cpu() int64 {
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return r.Utime.Nano() + r.Stime.Nano()
}

func main() {
	n, _ := strconv.Atoi(os.Args[1])
	k, _ := strconv.Atoi(os.Args[2])
	p, _ := strconv.Atoi(os.Args[3])
	runtime.GOMAXPROCS(p)
	var wg sync.WaitGroup
	wg.Add(n)
	for i := 0; i < n; i++ {
		go func() {
			for j := 0; j < k; j++ {
				time.Sleep(time.Millisecond)
			}
			wg.Done()
		}()
	}
	t := cpu()
	wg.Wait()
	fmt.Printf("ns %.1f\n", float64(cpu()-t)/float64(n*k))
}
