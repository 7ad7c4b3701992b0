package main

import (
	"archive/zip"
	"compress/flate"
	"context"
	"fmt"
	"io"
	"os"
)

// size is in bytes: of an executable, and of the zip file that holds nothing
// else, which is what Lambda downloads.
type size struct{ binary, zipped float64 }

func measureSizes(ctx context.Context, built paths, _ effort) ([]row, error) {
	var sizes [len(executables)]size
	for _, f := range compared {
		var err error
		if sizes[f], err = sizeOf(built[f]); err != nil {
			return nil, fmt.Errorf("measuring the size of %v: %w", f, err)
		}
	}
	var rows []row
	for _, m := range []struct {
		what  string
		of    func(size) float64
		drawn bool
	}{
		{"size of the binary", func(s size) float64 { return s.binary }, false},
		{"size of the zip", func(s size) float64 { return s.zipped }, true},
	} {
		for _, pair := range comparisons {
			this, that := sample{m.of(sizes[pair[0]])}, sample{m.of(sizes[pair[1]])}
			r := compare(m.what, mebibytes, pair, this, that)
			if m.drawn && pair[1] != hello {
				r.peer = pair[1].String()
			}
			rows = append(rows, r)
		}
	}
	deployed, err := deployedSizes(ctx)
	return append(rows, deployed...), err
}

func sizeOf(path string) (size, error) {
	file, err := os.Open(path)
	if err != nil {
		return size{}, err
	}
	defer file.Close()

	var zipped counter
	archive := zip.NewWriter(&zipped)
	archive.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestCompression) })
	entry, err := archive.Create("bootstrap")
	if err != nil {
		return size{}, err
	}
	binary, err := io.Copy(entry, file)
	if err != nil {
		return size{}, err
	}
	if err := archive.Close(); err != nil {
		return size{}, err
	}
	return size{float64(binary), float64(zipped)}, nil
}

// counter counts the bytes written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
