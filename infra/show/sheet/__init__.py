"""Makes the contact sheet: pages of HTML on which each image stands with its prediction, and on which people correct it.

    rows --keep (on disk)--> shelf --choose--> images to show --thumbnails, an object at a time--> shelf --render--> pages

`sheet.writing.write_sheet` does it all; `sheet.thumbnails` finds the pixels of the images. No AWS here.
"""
