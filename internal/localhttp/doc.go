// Package localhttp serves pages that can be read and nothing else, by default to
// this machine alone: the live report and the metrics of a run.
//
// A browser is a way in for every page that its user visits. So requests that name
// another host are refused, which is what a DNS name that was turned to 127.0.0.1
// would do (DNS rebinding), and answers forbid to be embedded or read elsewhere.
// Connections are few and have ends, so that nobody who asks slowly can use up what
// the program needs; those that ask for nothing make room for others (visits).
package localhttp
