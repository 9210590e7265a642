package transfer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// loadCheckpoint reads a checkpoint, and tells whether there is one.
func loadCheckpoint(path string, state any) (bool, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read the checkpoint: %w", err)
	}
	if err := json.Unmarshal(data, state); err != nil {
		return false, fmt.Errorf("%s is no checkpoint; remove it to begin again: %w", path, err)
	}
	return true, nil
}

// saveCheckpoint replaces a checkpoint: after a crash the file is the former
// one or the new one, never a part of it.
func saveCheckpoint(path string, state any) error {
	data, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("write the checkpoint: %w", err)
	}
	next := path + ".new"
	if err := writeSynced(next, append(data, '\n')); err != nil {
		return fmt.Errorf("write the checkpoint: %w", err)
	}
	if err := os.Rename(next, path); err != nil {
		return fmt.Errorf("write the checkpoint: %w", err)
	}
	return syncFolder(path)
}

func writeSynced(path string, data []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Sync(), file.Close())
}

// removeCheckpoint ends a transfer.
func removeCheckpoint(path string) error {
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove the checkpoint: %w", err)
	}
	return syncFolder(path)
}

// syncFolder makes what happened to a file's name durable.
func syncFolder(path string) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// errOtherParameters refuses to go on with what another command began.
func errOtherParameters(path string, was, is any) error {
	return fmt.Errorf("%s belongs to another transfer: it was begun with %+v, not %+v; repeat that command, or remove the file to begin again", path, was, is)
}
