// Package recipe makes the configuration of a run from its images and its time. It looks at the data set, times a few
// training steps, and applies rules. Each rule has its own file with its reason. docs/defaults.md
// explains the rules and is made from them.
package recipe
