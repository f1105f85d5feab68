package bench

import (
	"fmt"

	"golang.org/x/sys/windows"
)

// system names the operating system and its version.
func system() string {
	v := windows.RtlGetVersion()
	return fmt.Sprintf("Windows %d.%d build %d", v.MajorVersion, v.MinorVersion, v.BuildNumber)
}
