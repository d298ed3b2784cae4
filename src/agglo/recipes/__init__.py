"""Where config meets constructors (`build`), and what each stage does with the parts. The only room that knows all others."""
