// A goroutine locked to a thread of its own, which ends with it: start, and wait for its answer.
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
	t := time.Now()
	for i := 0; i < n; i++ {
		c := make(chan bool)
		go func() {
			runtime.LockOSThread()
			c <- true
		}()
		<-c
	}
	fmt.Printf("us %.3f\n", float64(time.Since(t).Nanoseconds())/1e3/float64(n))
}
