"""The torch-free part of Agglo: images in, masks out. numpy and Pillow only."""
