//go:build !unix && !windows

package bench

import "runtime"

// system names the operating system.
func system() string { return runtime.GOOS }
