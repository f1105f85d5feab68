// Package mim is the data side of masked image modelling.
package mim
