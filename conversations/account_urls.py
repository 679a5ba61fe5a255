"""Account pages of ours, beside allauth's under /accounts/."""

from __future__ import annotations

from django.urls import path

from conversations.views import invitations, lost_factor, passwords

urlpatterns = [
    path("password/not-me/<str:token>/", passwords.not_me, name="password_not_me"),
    path("second-factor/", invitations.second_factor, name="factor_offer"),
    path("lost-factor/", lost_factor.lost, name="factor_lost"),
    path("lost-factor/keep/", lost_factor.keep, name="factor_lost_keep"),
    path("lost-factor/prove/<str:token>/", lost_factor.prove, name="factor_lost_prove"),
    path("lost-factor/cancel/<str:token>/", lost_factor.cancel, name="factor_lost_cancel"),
]
