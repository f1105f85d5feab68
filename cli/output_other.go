//go:build !unix

package cli

// outputBroken is false: the system sends no signal, and a failed write returns an error.
func outputBroken() bool { return false }
