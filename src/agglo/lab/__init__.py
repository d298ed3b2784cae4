"""The three lab teachers: what they learn from, how each is trained, and the card that says so.

`train.train_lab_teacher` makes one from nothing; `scenes` and the phantom are its data, `seeds` keeps both apart from everything
else. The architectures are the catalogue's (`agglo.teachers`); the loop is `agglo.train`'s.
"""
