package keeper

import (
	"encoding/json"
	"io"
	"sync"
	"time"
)

// namespace is the CloudWatch namespace of all metrics.
const namespace = "wifmint"

// Metrics writes CloudWatch metrics in the embedded metric format, one line a
// target, into the stream of the log. Lambda treats a line without a level as
// INFO: a function whose log level is above that has no metrics.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
type Metrics struct {
	// Out gets the lines; nil means no metrics.
	Out io.Writer

	mu sync.Mutex
}

type metric struct {
	Name string `json:"Name"`
	Unit string `json:"Unit"`
}

type metricDirective struct {
	Namespace  string     `json:"Namespace"`
	Dimensions [][]string `json:"Dimensions"`
	Metrics    []metric   `json:"Metrics"`
}

type metricLine struct {
	AWS struct {
		Timestamp         int64             `json:"Timestamp"` // ms
		CloudWatchMetrics []metricDirective `json:"CloudWatchMetrics"`
	} `json:"_aws"`
	Function         string `json:"function"`
	Target           string `json:"target"`
	SecondsRemaining int64  `json:"SecondsRemaining"`
	Minted           int    `json:"Minted"`
	Failed           int    `json:"Failed"`
	MintLatency      *int64 `json:"MintLatency,omitempty"` // ms
}

// target writes one target's line. took is the time minting and storing needed;
// zero when nothing was minted. A secret without a token has 0 seconds remaining.
func (m *Metrics) target(now time.Time, function string, r Result, took time.Duration) {
	if m == nil || m.Out == nil {
		return
	}
	line := metricLine{Function: function, Target: r.Target}
	directive := metricDirective{
		Namespace:  namespace,
		Dimensions: [][]string{{"function", "target"}},
		Metrics:    []metric{{"SecondsRemaining", "Seconds"}, {"Minted", "Count"}, {"Failed", "Count"}},
	}
	if r.SecondsRemaining != nil {
		line.SecondsRemaining = *r.SecondsRemaining
	}
	switch r.Outcome {
	case Minted:
		line.Minted = 1
	case Failed:
		line.Failed = 1
	}
	if took > 0 {
		ms := took.Milliseconds()
		line.MintLatency = &ms
		directive.Metrics = append(directive.Metrics, metric{"MintLatency", "Milliseconds"})
	}
	line.AWS.Timestamp = now.UnixMilli()
	line.AWS.CloudWatchMetrics = []metricDirective{directive}
	b, err := json.Marshal(line)
	if err != nil {
		return // unreachable: the line holds strings and integers
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	_, _ = m.Out.Write(append(b, '\n'))
}
