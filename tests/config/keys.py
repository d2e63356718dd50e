"""Every key that the config knows, read off the model."""

from pydantic import BaseModel


def keys_of(model: type[BaseModel]) -> set[str]:
    """The names of all fields, of this section and of those in it."""
    found: set[str] = set()
    for name, field in model.model_fields.items():
        found.add(name)
        for section in _sections(field.annotation):
            found |= keys_of(section)
    return found


def _sections(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [section for part in getattr(annotation, "__args__", ()) for section in _sections(part)]
