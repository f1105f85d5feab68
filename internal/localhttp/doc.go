// Package localhttp serves pages to read, by default only to this machine: the live report and the
// metrics of a run.
//
// Every page that a user visits can send requests through the browser. So requests that name
// another host are refused, because a DNS name could be changed to 127.0.0.1 (DNS rebinding), and
// answers forbid embedding and reading by other pages. The number of connections and their time are
// limited, so that slow clients cannot use up what the program needs; idle connections make room for
// others (visits).
package localhttp
