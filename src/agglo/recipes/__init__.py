"""Where config meets constructors (`build`), and what each verb does with the parts. The only room that knows all others."""
