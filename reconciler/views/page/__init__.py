"""What a page says, before it is markup: sentences, figures, pictures; pure.

``views.html`` alone knows Jinja and the templates that lie here. Numbers come from
``views.counting``; nothing here counts contacts in its own way, and no address that is not masked
gets as far as a template.
"""
