//go:build unix

package bench

import (
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// system names the operating system and its version, as far as it says.
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

// distribution is the name that a Linux gives itself, with its version.
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
