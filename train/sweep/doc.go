// Package sweep searches settings. It trains the runs of a plan on one machine, by random search, a grid or
// successive halving, and keeps a journal of finished parts, so that an interrupted search can continue.
package sweep
