//go:build !unix

package picture

// doNotWait is only needed where a folder can have pipes.
const doNotWait = 0
