package emit

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

const (
	// Making a symbolic link is a privilege, and few have it.
	haveSymlinks = false
	canSyncDirs  = false
)

const lockName = stagePrefix + "lock"

// tryLock locks the directory of d against other processes that do the same, by
// a file that the system removes when the process closes it or ends.
func tryLock(d disk) (unlock func(), err error) {
	path, err := windows.UTF16PtrFromString(d.path(lockName))
	if err != nil {
		return nil, err
	}
	h, err := windows.CreateFile(path, windows.GENERIC_WRITE, 0, nil, windows.OPEN_ALWAYS,
		windows.FILE_ATTRIBUTE_HIDDEN|windows.FILE_FLAG_DELETE_ON_CLOSE, 0)
	if errors.Is(err, windows.ERROR_SHARING_VIOLATION) {
		return nil, errBusy
	}
	if err != nil {
		return nil, err
	}
	return func() { windows.CloseHandle(h) }, nil
}

// tryLockDir is for a directory that is to be renamed, which an open file in it
// would prevent.
func tryLockDir(disk, string) (unlock func(), err error) { return nil, errors.ErrUnsupported }

func keepOwner(*os.File, fs.FileInfo) error { return nil }

func writable(string) error { return nil }
