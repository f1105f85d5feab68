// Package report makes a page of a run, or of several runs to compare: first how it
// went, in words, then curves, classes, mistakes, reconstructions, settings and
// the machine. The page is one HTML file that needs no network, no other script and no
// other font. It adapts to phones and to dark mode.
//
// [NewHandler] serves the same page while a run goes on, and updates it. Everything comes
// from the folder of the run; the trainer does not know about readers.
package report
