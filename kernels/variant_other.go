//go:build !amd64

package kernels

// register adds nothing: there is no assembly for this architecture.
func register() {}

func registerBF16() {}
