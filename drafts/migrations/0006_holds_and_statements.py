"""The lease on a conversation is a hold, what a draft states are its statements; both were called claims."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models.functions import Cast
from django.db.models.lookups import LessThan

import conversations.database.guards
import conversations.models.base


def under_64k(model: str, field: str) -> models.CheckConstraint:
    size = models.Func(Cast(field, models.TextField()), function='octet_length', output_field=models.IntegerField())
    return models.CheckConstraint(condition=LessThan(size, 65536), name=f'{model}_{field}_under_64k')


class Migration(migrations.Migration):

    dependencies = [
        ('conversations', '0015_providers'),
        ('drafts', '0005_topics'),
    ]

    operations = [
        migrations.RemoveConstraint('claim', 'claim_conversation_same_account'),
        migrations.RemoveConstraint('claim', 'claim_one_per_conversation'),
        migrations.RemoveConstraint('claim', 'claim_account_id'),
        migrations.RemoveConstraint('claim', 'claim_isolation'),
        migrations.RenameModel('Claim', 'Hold'),
        migrations.AlterField(
            'hold',
            'conversation',
            conversations.models.base.TenantForeignKey(
                db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='holds',
                to='conversations.conversation',
            ),
        ),
        migrations.AddConstraint(
            'hold',
            conversations.database.guards.TenantIsolation(
                column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='hold_isolation'
            ),
        ),
        migrations.AddConstraint(
            'hold', models.UniqueConstraint(fields=('account', 'id'), name='hold_account_id')
        ),
        migrations.AddConstraint(
            'hold', models.UniqueConstraint(fields=('account', 'conversation'), name='hold_one_per_conversation')
        ),
        migrations.AddConstraint(
            'hold', conversations.database.guards.SameAccount(field='conversation', name='hold_conversation_same_account')
        ),
        migrations.RemoveConstraint('draft', 'draft_claims_under_64k'),
        migrations.RemoveConstraint('draftrevision', 'draftrevision_append_only'),
        migrations.RemoveConstraint('draftrevision', 'draftrevision_claims_under_64k'),
        migrations.RenameField('draft', 'claims', 'statements'),
        migrations.RenameField('draftrevision', 'claims', 'statements'),
        migrations.AddConstraint('draft', under_64k('draft', 'statements')),
        migrations.AddConstraint(
            'draftrevision',
            conversations.database.guards.AppendOnly(
                erasable=('text', 'html', 'statements', 'author_id'), name='draftrevision_append_only'
            ),
        ),
        migrations.AddConstraint('draftrevision', under_64k('draftrevision', 'statements')),
    ]
