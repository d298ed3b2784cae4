"""What every other room may use: errors, axis names, seeds, files, the run log. Nothing here knows of models or of images."""
