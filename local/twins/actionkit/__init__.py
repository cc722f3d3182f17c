"""A local ActionKit: REST resources, actions, uploads and SQL reports on one database.

Behaves as the public material describes it; what that leaves open is a switch of
:class:`Unknowns`.
"""

from local.twins.actionkit.actions import ActionRefused, PageNotFound
from local.twins.actionkit.twin import ActionKitTwin
from local.twins.actionkit.unknowns import Unknowns

__all__ = ["ActionKitTwin", "ActionRefused", "PageNotFound", "Unknowns"]
