// Two goroutines take turns on one thread. "ns" is one Gosched: one gives up, the other begins.
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
	done := make(chan bool)
	body := func() {
		for i := 0; i < n; i++ {
			runtime.Gosched()
		}
		done <- true
	}
	t := cpu()
	go body()
	go body()
	<-done
	<-done
	fmt.Printf("ns %.3f\n", (cpu()-t)/float64(2*n))
}
