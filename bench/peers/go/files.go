// Reads n files of 4 KiB, "one" after the other or by 64 goroutines ("many"). "us" is wall-clock time a file.
package main

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

func read(i int) int64 {
	data, err := os.ReadFile(fmt.Sprintf("build/bench/files/f%d", i))
	if err != nil {
		panic(err)
	}
	return int64(len(data))
}

func one(n int) int64 {
	var bytes int64
	for i := 1; i <= n; i++ {
		bytes += read(i)
	}
	return bytes
}

func many(n int) int64 {
	var bytes, next atomic.Int64
	var wg sync.WaitGroup
	for k := 0; k < 64; k++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for {
				i := next.Add(1)
				if i > int64(n) {
					return
				}
				bytes.Add(read(int(i)))
			}
		}()
	}
	wg.Wait()
	return bytes.Load()
}

func main() {
	n, _ := strconv.Atoi(os.Args[2])
	run := one
	if os.Args[1] == "many" {
		run = many
	}
	run(n)
	t := time.Now()
	if run(n) != int64(n)*4096 {
		panic("wrong")
	}
	fmt.Println("us", float64(time.Since(t).Nanoseconds())/float64(n)/1e3)
}
