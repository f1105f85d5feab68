//go:build faults && unix

package disk

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// In a build with the tag faults, the environment can inject a fault.
const (
	// FaultVariable is "OP FILE N HOW": how the Nth operation of that name fails, from 1; OP and
	// FILE may be *, for any. HOW is
	//
	//	kill  the process ends before it, as by SIGKILL
	//	torn  half of a write, then the process ends
	//	eio, enospc, emfile, erofs  the operation fails
	//	short  half of a write, then no space is left
	//	eio+, enospc+  it and all later operations fail
	FaultVariable = "FASTERNET_FAULT"
	// LogVariable names a file that gets the name of every operation.
	LogVariable = "FASTERNET_FAULT_LOG"
)

func init() {
	var w watcher
	if path := os.Getenv(LogVariable); path != "" {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
		if err != nil {
			panic(err)
		}
		w.log = f
	}
	if text := os.Getenv(FaultVariable); text != "" {
		fields := strings.Fields(text)
		if len(fields) != 4 {
			panic(fmt.Sprintf("%s: want OP FILE N HOW, got %q", FaultVariable, text))
		}
		n, err := strconv.Atoi(fields[2])
		if err != nil {
			panic(err)
		}
		w.op, w.file, w.left, w.how = fields[0], fields[1], n, fields[3]
	}
	if w.log != nil || w.how != "" {
		Inject(w.see)
	}
}

// watcher counts operations until the one that fails.
type watcher struct {
	mu       sync.Mutex
	log      *os.File
	op, file string
	left     int
	how      string
}

func (w *watcher) see(op, file string, size int) *Failure {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.log != nil {
		fmt.Fprintln(w.log, op, file)
	}
	if w.how == "" || !matches(w.op, op) || !matches(w.file, file) {
		return nil
	}
	how, forever := strings.CutSuffix(w.how, "+")
	if w.left--; w.left > 0 || w.left < 0 && !forever {
		return nil
	}
	switch how {
	case "kill":
		die()
	case "torn":
		return &Failure{Written: size / 2, Then: die, Err: syscall.EIO}
	case "short":
		return &Failure{Written: size / 2, Err: syscall.ENOSPC}
	case "eio":
		return &Failure{Err: syscall.EIO}
	case "enospc":
		return &Failure{Err: syscall.ENOSPC}
	case "erofs":
		return &Failure{Err: syscall.EROFS}
	case "emfile":
		return &Failure{Err: syscall.EMFILE}
	}
	panic(fmt.Sprintf("%s: there is no fault %q", FaultVariable, w.how))
}

func matches(want, got string) bool { return want == "*" || want == got }

// die ends the process as SIGKILL does: no more code runs.
func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}
