// Two goroutines take turns on one thread. "ns" is one Gosched: one gives up, the other begins.
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
	done := make(chan bool)
	body := func() {
		for i := 0; i < n; i++ {
			runtime.Gosched()
		}
		done <- true
	}
	t := time.Now()
	go body()
	go body()
	<-done
	<-done
	fmt.Printf("ns %.3f\n", float64(time.Since(t).Nanoseconds())/float64(2*n))
}
