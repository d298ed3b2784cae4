"""The kinds of problems a dataset can have: what must hold, and what to do where it does not. No check lives here."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One kind of problem.

    Attributes:
        title: its heading in the report.
        must: one sentence, what must hold.
        remedy: one sentence, what to do.
        is_error: whether the dataset cannot be trusted with it; a warning only asks for a look.
    """

    title: str
    must: str
    remedy: str
    is_error: bool = True


KINDS: dict[str, Kind] = {
    # the folder and its files
    "no_dataset": Kind(
        "Not a dataset",
        "A dataset's folder holds dataset.json and frames.csv, or classes.json and images/.",
        "Check the path, or import the data first.",
    ),
    "empty": Kind("No frame", "A dataset holds at least one frame.", "Check the frame table or images/."),
    "broken_json": Kind(
        "Broken JSON", "dataset.json, classes.json and splits are JSON in UTF-8.", "Mend or restore the file."
    ),
    "broken_table": Kind(
        "Broken table",
        "Tables are CSV in UTF-8 with commas and a header row.",
        "Save the table again as such.",
    ),
    "header": Kind(
        "Header that cannot be used",
        "dataset.json states what holds for all frames.",
        "Mend the entry named.",
    ),
    "columns": Kind(
        "Columns amiss", "Required columns are there, each once.", "Add the column, or remove the copy."
    ),
    "unknown_structure": Kind(
        "Unknown structure",
        "Columns, groups and folders name structures of the dataset.",
        "Rename or remove it.",
    ),
    "torn_row": Kind(
        "Torn row",
        "Every row has as many cells as the header row.",
        "Mend the row; quote cells with commas in them.",
    ),
    "row_count": Kind(
        "Rows missing or added",
        "frames.csv has as many rows as dataset.json counts.",
        "Restore the rows, or remove `counts` if the change was meant.",
    ),
    "case": Kind(
        "Names that differ only in case",
        "Names differ in more than capitals, or some systems take them for one.",
        "Rename all but one.",
    ),
    # the rows
    "blank_cell": Kind("Blank cell", "id, image, patient, video and index are given.", "Fill the cell."),
    "bad_id": Kind(
        "Id that cannot name a file", "Ids are letters, digits, `_`, `-` and `.`.", "Rename the frame."
    ),
    "duplicate_id": Kind("Id used twice", "Every id names one frame.", "Number the frames anew."),
    "duplicate_place": Kind(
        "Place in a video taken twice",
        "Patient, video and index together name one frame.",
        "Count the index from 0 within each video.",
    ),
    "bad_index": Kind("Impossible index", "An index is a whole number from 0.", "Mend the cell."),
    "unknown_state": Kind(
        "Unknown state",
        "A state is present, absent, unlabelled, not_assessable or blank.",
        "Use one of these words.",
    ),
    "bad_visible": Kind(
        "Impossible visibility", "A visible share is a number from 0 to 1.", "Mend the cell."
    ),
    "bad_polarity": Kind(
        "Unknown polarity",
        "A polarity is bone_black, bone_white or blank; pictures of any other are never inverted.",
        "Use one of these words.",
    ),
    "spacing": Kind(
        "Impossible spacing",
        "Spacing is two numbers of 0.02 to 5 mm per pixel, at most 2 : 1 to each other, with a source.",
        "State rows and columns in mm with spacing_source, or leave all three blank.",
    ),
    "fps": Kind(
        "Impossible frame rate",
        "Frames per second are a number of 0.5 to 240.",
        "State the rate of the source, or leave it blank.",
    ),
    "fps_source": Kind(
        "Frame rate without a source",
        "fps_source says where the rate comes from; exports are often re-timed.",
        "State header, container, user or the like.",
        is_error=False,
    ),
    # pictures
    "missing_image": Kind(
        "Missing picture", "Every row's picture is there.", "Restore it, or remove the row."
    ),
    "unreadable_image": Kind(
        "Unreadable picture",
        "A picture is a whole image file.",
        "Replace it from the source, or remove the row.",
    ),
    "blank_image": Kind(
        "Empty picture", "A picture shows something.", "Replace it from the source, or remove the row."
    ),
    "image_without_row": Kind(
        "Picture without a row", "Every picture in images/ has a row.", "Add the row, or remove the file."
    ),
    "video_size": Kind(
        "Sizes differ within a video",
        "All pictures of a video have one size.",
        "Export the video again, or give the others a video of their own.",
    ),
    "duplicate_frame": Kind(
        "Duplicate picture",
        "A picture belongs to one patient, one video and one moment.",
        "Keep one; across patients find out whose it is, or test frames leak into training.",
    ),
    "frames_as_patients": Kind(
        "Frames of a video taken as patients",
        "Pictures of one patient count as one patient, so that no split parts them: `patients` in classes.json says how.",
        'State "source" (the name before its number is the patient), "one" or "each" there.',
        is_error=False,
    ),
    "repeated_frame": Kind(
        "Repeated picture",
        "Where pulses are fewer than frames, pulses_per_s (below fps) or time_s (equal) says so.",
        "State it in the frame table, or drop the copies.",
        is_error=False,
    ),
    "polarity": Kind(
        "Wrong polarity suspected",
        "Bone is black unless the fact `polarity` says bone_white.",
        "Look at the pictures; state or mend the column `polarity`.",
        is_error=False,
    ),
    # masks
    "missing_mask": Kind(
        "Missing mask", "What is present has a mask.", "Restore the file, or leave the state blank."
    ),
    "mask_files": Kind(
        "Wrong number of masks", "`mask` names one file per sixteen structures.", "Mend the cell."
    ),
    "unreadable_mask": Kind(
        "Unreadable mask",
        "A mask is a whole grey image file (no palette, no colour).",
        "Export it again as a grey PNG, or remove it and leave its states blank.",
    ),
    "mask_size": Kind(
        "Mask of another size",
        "A mask has its picture's size.",
        "Resample the mask (nearest neighbour) or remove it.",
    ),
    "mask_value": Kind(
        "Unknown value in a mask",
        "A mask holds only the values of known structures.",
        "Outline it again, or add the structure.",
    ),
    "present_but_empty": Kind(
        "Present, but no pixels",
        "The mask of a structure that is `present` has pixels.",
        "Outline it, or mend the state.",
    ),
    "absent_but_pixels": Kind(
        "Absent, but pixels",
        "The mask of a structure that is `absent` is empty.",
        "Erase it, or mend the state.",
    ),
    "pixels_without_state": Kind(
        "Pixels without a state",
        "What is outlined has a state: unlabelled pixels are neither trained on nor scored.",
        "Set the state to `present`, or erase the pixels.",
    ),
    "orphan_mask": Kind(
        "Mask without a frame", "Every file in masks/ belongs to a frame.", "Rename or remove it."
    ),
    # splits, raters, and the rest
    "split_leak": Kind(
        "One patient in two parts",
        "What a split goes by (a patient, a video) is in one part only.",
        "Make the split again with `agglo data split`.",
    ),
    "split_file": Kind(
        "Split that does not fit",
        "A split names frames of this dataset, each once; one by numbers alone, in the state it was made for.",
        "Make the split again with `agglo data split`.",
    ),
    "rater": Kind(
        "Rater's table amiss",
        "masks/RATER/states.csv has a row per frame seen, with id and states.",
        "Mend the table, or take the rater off `raters` in dataset.json.",
    ),
    "not_opened": Kind("Cannot be opened", "The dataset opens.", "Do what the message says."),
    "crashed": Kind(
        "Check that failed",
        "Every check can look at every file.",
        "Look at the file named; if it is sound, this is a bug of Agglo: please report it.",
    ),
}
"""Every kind by name, in the order of the report."""
