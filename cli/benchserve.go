package cli

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"

	"fasternet/internal/bench"
	"fasternet/internal/printable"

	"github.com/spf13/cobra"
)

func benchServeCommand() *cobra.Command {
	var l bench.Load
	var clients string
	c := &cobra.Command{
		Use:   "serve URL IMAGE...",
		Short: "Send requests to a server, and time the answers",
		Long: `Send images to a server that takes the content of a file by POST, such as /classify of "serve",
from several clients at the same time. Each sends its next image after the last answer.
Answers with 503 count as refused; any other status except 200 is an error. A token comes
from the environment variable ` + TokenVariable + `.

The times are for answered requests, from the first byte sent to the last one received. On
the machine of the server, the clients also take processor time.

The last line on standard output is a JSON object: results, one for each number of clients.`,
		Example: `  fasternet-train serve runs/t0 &
  fasternet-train bench serve http://127.0.0.1:8000/classify cat.jpg dog.jpg --clients 1,8,64`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if u, err := url.Parse(args[0]); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
				return usageError{fmt.Errorf("URL: want http://HOST:PORT/classify, got %q", args[0])}
			}
			if !(l.Seconds > 0 && l.Seconds <= 86400 && l.Warmup >= 0 && l.Warmup <= 86400) {
				return usageError{errors.New("--seconds and --warmup: want seconds, up to 86400")}
			}
			var numbers []int
			for _, text := range strings.Split(clients, ",") {
				n, err := strconv.Atoi(strings.TrimSpace(text))
				if err != nil || n < 1 || n > 10000 {
					return usageError{fmt.Errorf("--clients: want numbers from 1 to 10000, separated by commas, got %q",
						clients)}
				}
				numbers = append(numbers, n)
			}
			l.URL, l.Token = args[0], os.Getenv(TokenVariable)
			for _, path := range args[1:] {
				content, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				l.Bodies = append(l.Bodies, content)
			}
			var results []bench.LoadResult
			printable.Printf("%8s  %9s  %9s  %9s  %9s  %9s  %8s\n",
				"clients", "img/s", "p50 ms", "p90 ms", "p99 ms", "max ms", "refused")
			for _, n := range numbers {
				l.Clients = n
				r, err := l.Run(cmd.Context())
				if err != nil {
					return fmt.Errorf("%d clients: %w", n, err)
				}
				printable.Printf("%8d  %9.1f  %9.2f  %9.2f  %9.2f  %9.2f  %8d\n",
					r.Clients, r.ImgPerS, r.P50MS, r.P90MS, r.P99MS, r.MostMS, r.Refused)
				results = append(results, r)
			}
			return printJSON(struct {
				Results []bench.LoadResult `json:"results"`
			}{results})
		},
	}
	c.Flags().StringVar(&clients, "clients", "1,8,64", "`numbers` of clients, one after the other")
	c.Flags().Float64Var(&l.Seconds, "seconds", 5, "seconds to time each number of clients")
	c.Flags().Float64Var(&l.Warmup, "warmup", 1, "seconds before the timing")
	return c
}
