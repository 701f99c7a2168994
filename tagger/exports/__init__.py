"""Final tags in the forms that PIM systems read: one writer a form."""
