// Package sweep searches settings: it trains the runs of a plan, by random search, a grid or
// successive halving, on one machine, and keeps a journal of what is finished, so that a search
// that was killed goes on where it was.
package sweep
