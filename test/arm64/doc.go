// Package arm64 tests the program built for arm64, under an emulator, against the program of this
// machine. scripts/test-arm64.sh runs it; without an emulator it skips.
package arm64
