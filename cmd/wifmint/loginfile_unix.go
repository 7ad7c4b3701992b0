//go:build unix

package main

import (
	"os"
	"syscall"
)

// giveTo makes the owner and the group of the file that info is about those of a new
// one, which are its maker's: root may be using somebody's login.
func giveTo(name string, info os.FileInfo) error {
	made, err := os.Lstat(name)
	if err != nil {
		return err
	}
	from, ok1 := made.Sys().(*syscall.Stat_t)
	to, ok2 := info.Sys().(*syscall.Stat_t)
	if !ok1 || !ok2 || from.Uid == to.Uid && from.Gid == to.Gid {
		return nil
	}
	return os.Lchown(name, int(to.Uid), int(to.Gid))
}
