"""Common parts of the cells of averaging servers, independent of the task."""
