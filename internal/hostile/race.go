//go:build race

package hostile

// instrumented is how many times the bytes are allowed that ordinary code may allocate. Under the race
// detector, reading the longest list of classes takes 2.5 times its bound.
const instrumented = 4
