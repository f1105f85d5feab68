// Package recipe makes the configuration of a run from its images and the time that there is: it
// looks at the data set, times a few training steps, and applies rules. Each rule is in a file of
// its own, with its reason. The rules are explained in docs/defaults.md, which is made from them.
package recipe
