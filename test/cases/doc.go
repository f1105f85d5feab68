// Package cases tries the built program on inputs that public bug reports are about: one
// test a report, which makes its own small input and names its source.
package cases
