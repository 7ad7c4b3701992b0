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

// metricHeader is the part of a line that tells CloudWatch which of the line's
// other fields are metrics, and which are their dimensions.
type metricHeader struct {
	Timestamp         int64             `json:"Timestamp"` // ms
	CloudWatchMetrics []metricDirective `json:"CloudWatchMetrics"`
}

type metricLine struct {
	AWS              metricHeader `json:"_aws"`
	Function         string       `json:"function"`
	Target           string       `json:"target"`
	SecondsRemaining *int64       `json:"SecondsRemaining,omitempty"`
	Minted           int          `json:"Minted"`
	Failed           int          `json:"Failed"`
	Paused           int          `json:"Paused,omitempty"`
	MintLatency      *int64       `json:"MintLatency,omitempty"` // ms
}

// target writes one target's line. remaining is nil when the secret could not be
// read: how much is left is not known then, and nothing is invented. An alarm that
// takes missing data for breaching goes off if that lasts. A paused target has the
// metric Paused in its place, so that an alarm can tell a pause, which is nobody's
// failure, from silence, which is; a target that never was has no such metric to pay
// for. took is the time minting and storing needed; zero when nothing was minted.
func (m *Metrics) target(now time.Time, function string, r Result, remaining *int64, took time.Duration) {
	line := metricLine{Function: function, Target: r.Target, SecondsRemaining: remaining}
	switch r.Outcome {
	case Minted:
		line.Minted = 1
	case Failed:
		line.Failed = 1
	case Paused:
		line.Paused, line.SecondsRemaining = 1, nil
	}
	m.write(now, line, took)
}

// write writes a line with the metrics that it has.
func (m *Metrics) write(now time.Time, line metricLine, took time.Duration) {
	if m == nil || m.Out == nil {
		return
	}
	metrics := []metric{{"Minted", "Count"}, {"Failed", "Count"}}
	if line.SecondsRemaining != nil {
		metrics = append(metrics, metric{"SecondsRemaining", "Seconds"})
	}
	if line.Paused > 0 {
		metrics = append(metrics, metric{"Paused", "Count"})
	}
	if took > 0 {
		ms := took.Milliseconds()
		line.MintLatency = &ms
		metrics = append(metrics, metric{"MintLatency", "Milliseconds"})
	}
	line.AWS.Timestamp = now.UnixMilli()
	line.AWS.CloudWatchMetrics = []metricDirective{{Namespace: namespace, Dimensions: [][]string{{"function", "target"}}, Metrics: metrics}}
	if line.SecondsRemaining != nil { // over all targets too: an alarm cannot know those of a document
		line.AWS.CloudWatchMetrics = append(line.AWS.CloudWatchMetrics,
			metricDirective{namespace, [][]string{{"function"}}, []metric{{"SecondsRemaining", "Seconds"}}})
	}
	m.put(line)
}

// put writes a line whole, whoever else writes.
func (m *Metrics) put(line any) {
	b, err := json.Marshal(line)
	if err != nil {
		return // unreachable: a line holds strings and integers
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	_, _ = m.Out.Write(append(b, '\n'))
}
