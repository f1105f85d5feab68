package clock_test

// allowance is a use of the clock that makes no test fail, whatever the machine.
type allowance struct {
	file, function string
	calls          string // with blanks between them
	why            string
}

var allowed = []allowance{
	{"cli/preparations_test.go", "TestPreparations", "time.Now", "the first time of a clock of its own"},
	{"collective/engine/memory_test.go", "stand", "time.Sleep", "between two looks at a state"},
	{"collective/mpi/ranks_test.go", "TestRanksFault", "time.Sleep",
		"the ranks take a step together after each; the last one ends with the job"},
	{"data/samecontent_test.go", "TestFindCopiesRemembers", "time.Now", "dates that are an hour apart"},
	{"infer/infer_test.go", "TestNothingReachesAnother", "context.WithTimeout", "it may end in time or not"},
	{"infer/infer_test.go", "TestClose", "time.Sleep", "the calls in progress may be at any point"},
	{"infer/infer_test.go", "TestTimes", "time.Now time.Since", "the parts of a time are not longer than the time"},
	{"internal/hub/fetch_test.go", "TestTwoAtOnce", "time.Sleep",
		"only one downloads, whether the others come in the meantime or after it"},
	{"internal/metrics/metrics_test.go", "TestMetrics", "time.Now", "an age of an hour may be two hours"},
	{"kernels/pool_test.go", "TestPoolRunsEveryTaskOnce", "time.Sleep", "the workers may be asleep or not"},
	{"kernels/stress_test.go", "stress", "time.After time.Sleep",
		"timers and signals interrupt products at any point; it goes on until a product is verified"},
	{"kernels/trace_test.go", "TestTrace", "time.Now time.Since", "tasks that last no shorter than a time"},
	{"report/memory_test.go", "TestMemoryOfLivePage", "time.Now", "the first time of a clock of its own"},
	{"report/memory_test.go", "TestLongLog", "time.Now", "a date"},
	{"report/report_test.go", "TestVerdicts", "time.Now", "dates that are an hour apart"},
	{"report/similarity_test.go", "TestSimilarityOfChannels", "time.Now", "a date"},
	{"scripts/check/check_test.go", "TestCheck", "time.Sleep", "between two looks at a state"},
	{"test/browser/browser_test.go", "wait", "time.NewTicker", "between two looks at a state"},
	{"test/cases/profiles_test.go", "works", "time.Sleep",
		"where the system does not say how long a process has worked, ten times as long"},
	{"test/cases/recipe_test.go", "TestTrainWithoutPreset", "time.Now time.Since",
		"if a budget is too short for this machine, it tries a longer one"},
	{"test/cases/serve_test.go", "certificate", "time.Now", "the end of a certificate"},
	{"test/cases/sighup_test.go", "gets", "time.Sleep", "the signals may come in any order"},
	{"test/cases/sighup_test.go", "TestSignalAtTheStart", "time.Sleep", "the signal may come at any point"},
	{"test/chaos/kill_test.go", "TestKill", "time.Sleep", "the signal may come at any point"},
	{"test/chaos/kill_test.go", "TestSignals", "time.Sleep", "the signal may come at any point"},
	{"test/chaos/process_test.go", "TestClock", "time.Now", "a date"},
	{"test/chaos/suite_test.go", "prepare", "time.Now time.Since", "when signals come later, which is any point"},
	{"test/chaos/suite_test.go", "try", "time.Now", "the limit of make chaos, which is asked for"},
	{"test/chaos/suite_test.go", "trials", "time.Now", "the limit of make chaos, which is asked for"},
	{"test/guides/guides_test.go", "TestGuides", "time.Now time.Since", "printed, not compared"},
	{"test/mpi/suite_test.go", "start", "time.Now", "printed, not compared"},
	{"test/mpi/suite_test.go", "wait", "time.Since", "printed, not compared"},
	{"test/mpi/suite_test.go", "reported", "time.Sleep", "the ranks take a step together after it"},
	{"test/soak/holding_test.go", "epoch", "time.Now time.Since", "make soak runs for a time that is asked for"},
	{"test/soak/holding_test.go", "over", "time.Since", "make soak runs for a time that is asked for"},
	{"test/soak/holding_test.go", "take", "time.Sleep", "the least of several looks counts"},
	{"test/soak/run_test.go", "poll", "http.Client.Timeout time.After", "make soak reads pages like a browser"},
	{"train/savecheckpoints_test.go", "TestCheckpointsOfTheirMoment", "time.Sleep", "a slow disk changes nothing"},
	{"train/savecheckpoints_test.go", "TestStopWhileACheckpointIsWritten", "time.Sleep", "a slow disk changes nothing"},
}
