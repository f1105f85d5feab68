// Package report makes a page of a run, or of several to be compared: how it
// went, in words first, then curves, classes, mistakes, reconstructions, settings
// and surroundings. The page is one HTML file that needs nothing else: no network,
// no script or font from elsewhere. It adapts to phones and to dark mode.
//
// The same page, served while a run goes on, grows with it ([NewHandler]). All is
// read from the folder of the run; the trainer does not know who looks.
package report
