// Package cases runs the built program on inputs from public bug reports: one test for each
// report, which makes its own small input and names its source.
package cases
