// n goroutines sleep 1 to 1000 ms each. Arguments: n, processors.
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

func main() {
	n, _ := strconv.Atoi(os.Args[1])
	p, _ := strconv.Atoi(os.Args[2])
	runtime.GOMAXPROCS(p)
	var wg sync.WaitGroup
	wg.Add(n)
	t := time.Now()
	for i := 0; i < n; i++ {
		d := time.Duration(i%1000+1) * time.Millisecond
		go func() {
			time.Sleep(d)
			wg.Done()
		}()
	}
	wg.Wait()
	wall := time.Since(t).Seconds()
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	fmt.Printf("cpu %.4f\nwall %.4f\nrss %.1f\n",
		float64(r.Utime.Nano()+r.Stime.Nano())/1e9, wall, float64(r.Maxrss)/1024)
}
