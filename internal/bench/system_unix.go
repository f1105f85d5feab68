//go:build unix

package bench

import (
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// system names the operating system and its version, if it is known.
func system() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return runtime.GOOS
	}
	name := unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
	if d := distribution(); d != "" {
		name += ", " + d
	}
	return name
}

// distribution returns the name and version of a Linux distribution.
func distribution() string {
	text, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
			return strings.Trim(name, `"'`)
		}
	}
	return ""
}
